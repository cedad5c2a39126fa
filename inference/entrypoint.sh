#!/bin/sh
# In Lambda the command is a handler's name, and AWS says where its Runtime API is; elsewhere it is a program.
set -eu
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
  exec python -m awslambdaric "$@"
fi
exec "$@"
