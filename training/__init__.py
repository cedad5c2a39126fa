"""What runs in the training container: prepare, train and evaluate, by AWS's script-mode contract."""
