"""What can be trained: one module a task, named in `train.recipe.TASKS`."""
