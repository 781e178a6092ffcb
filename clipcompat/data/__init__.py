"""What the world gives: images, labels, class names and templates."""
