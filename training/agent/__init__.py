"""The program that does on a rented machine what SageMaker does around a container's `train`.

It runs inside the training image, so on Python 3.8, with the standard library and the boto3 that the image has.
"""
