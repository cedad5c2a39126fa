"""CloudFormation resource types, and properties of types, that moto's CloudFormation lacks.

moto finds a type by the subclasses of `CloudFormationModel`: importing a module here is what adds its types.
"""
