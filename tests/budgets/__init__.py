"""What calls, jobs and imports cost, in counts that do not depend on the machine's mood; each has its budget.

`budgets.toml` has the budgets, `python -m tests.budgets` prints the present counts beside them.
"""
