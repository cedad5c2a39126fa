"""What runs in the serving containers: one predictor behind an HTTP server for ECS and a handler for Lambda."""
