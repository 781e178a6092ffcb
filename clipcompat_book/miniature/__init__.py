"""How the miniature was made and accepted: captions, pretraining, trials, and the appendix that shows them."""
