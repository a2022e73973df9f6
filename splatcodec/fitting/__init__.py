"""A picture to Gaussians: where to place them, how to refine them, and how long."""
