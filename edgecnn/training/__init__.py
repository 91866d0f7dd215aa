"""Fitting Keras models: loop, schedules, tasks."""
