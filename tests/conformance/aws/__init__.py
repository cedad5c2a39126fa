"""What AWS promises, asserted through boto3: against localcloud, and against AWS itself when asked."""
