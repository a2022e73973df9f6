"""What shows .gsi files in browsers: a decoder and a renderer in JavaScript, and pages that need nothing else."""
