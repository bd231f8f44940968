"""What crosses the wire: schemas, parameters, answers and problems."""
