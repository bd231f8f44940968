"""The wire contract: route properties, schemas, parameters, responses and problems."""
