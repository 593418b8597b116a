"""What usagefix costs, as ratios to named alternatives measured in the same run. See README.md."""
