"""The proof that the allowances are right: no false alarm, sharp, and held beside the constants that others use.

`soundness` judges implementations that are correct, in every order and framework there is; `sharpness` measures how much the
allowances allow and the least fault that they show; `side_by_side` judges the same runs and mistakes by other people's
constants. `python -m alexnet_ref.tolerances` writes all of it as Markdown. Nothing here imports a framework when imported.
"""

from alexnet_ref.tolerances.report import tolerances_report

__all__ = ["tolerances_report"]
