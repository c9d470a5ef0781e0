"""Knowledge distillation: a network learns the class probabilities of a trained one beside the labels."""
