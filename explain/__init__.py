"""What a trained model's patches mean: pages, reports, and measurements of the paper's claims."""
