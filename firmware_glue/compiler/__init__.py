"""int8 .tflite → plain C: importer → IR → passes → planner → emitted files. Start at ``api``."""
