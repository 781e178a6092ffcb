"""The text tower over packed prompts: layout, attention kernels, memory plan. Imports: `backbones.device`, `common`."""
