"""What stands in an OpenAPI document, whoever wrote it: places, references, schemas, bodies and answers."""
