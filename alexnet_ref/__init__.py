"""TensorFlow models of the two documents, and the judge of anybody's port. Importing this imports no framework."""
