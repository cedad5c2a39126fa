"""An AWS in one process: moto answers the control plane, engines really do the work behind its calls."""
