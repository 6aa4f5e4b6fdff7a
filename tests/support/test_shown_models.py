"""The model that a page shows is the model that the package builds: same log density everywhere."""

import ast
from pathlib import Path

import jupytext
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.compile.mode import Mode

from support import datasets, models
from support.exercises import personal
from tooling.audit import builders

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path for folder in ("chapters", "solutions") for path in (ROOT / folder).glob("*.md")}
SCHOOLS, INSTRUCTORS, SURVEY = datasets.eight_schools(), datasets.instructors(), datasets.survey()
HOSPITALS = datasets.hospitals()
KINDS = datasets.simulate_schools_with_covariate(np.random.default_rng(42))
UNCOMPILED = Mode(linker="py", optimizer="fast_compile")

TWELVE = xr.Dataset(dict(zip(("tumours", "rats"), personal.data("5.8.8")[""], strict=True)))
SEVEN = xr.Dataset(dict(zip(("effect", "standard_error"), personal.data("5.8.9")[""], strict=True)))

RADON, FLOOR, URANIUM = personal.data("5.8.10")[""]
TEN = xr.Dataset(
    {
        "log_radon": ("house", np.log(RADON.values)),
        "floor": ("house", FLOOR.values),
        "of_county": ("house", RADON["county"].values),
        "uranium": URANIUM,
    },
    {"house": RADON["house"].values},
)

SHOWN = [
    ("pooling-problem", "complete_pooling", builders.instructors_complete, INSTRUCTORS),
    ("pooling-problem", "no_pooling", builders.instructors_none, INSTRUCTORS),
    ("pooling-problem", "partial_pooling", builders.instructors_partial, INSTRUCTORS),
    ("eight-schools", "centred", builders.schools_centred, SCHOOLS),
    ("eight-schools", "noncentred", models.schools_noncentred, SCHOOLS),
    ("loo-comparison", "complete_pooling", builders.schools_complete, SCHOOLS),
    ("todays-code", "noncentred", models.schools_noncentred, SCHOOLS),
    ("todays-code", "centred", builders.schools_centred, SCHOOLS),
    ("todays-code", "complete", builders.schools_complete, SCHOOLS),
    ("todays-code", "survey", models.survey_hierarchical, SURVEY),
    ("loo-comparison", "no_pooling", builders.schools_none, SCHOOLS),
    ("recap", "all_as_one", builders.schools_complete, SCHOOLS),
    ("dirichlet-multinomial", "survey", models.survey_hierarchical, SURVEY),
    ("noncentred-reparameterisation", "centred", builders.schools_centred, SCHOOLS),
    ("noncentred-reparameterisation", "noncentred", models.schools_noncentred, SCHOOLS),
    ("hierarchical-poisson", "hierarchical", models.hospitals_hierarchical, HOSPITALS),
    ("hierarchical-poisson", "no_pooling", builders.hospitals_none, HOSPITALS),
    ("new-group-prediction", "covariate", builders.schools_covariate, KINDS),
    ("proportions", "beta_population", builders.rats_hierarchical, datasets.rat_tumours()),
    ("odd-group", "student_population", builders.trials_student, datasets.bcg_trials()),
    ("odd-group", "with_latitude", builders.trials_latitude, datasets.bcg_trials()),
    ("twelve-experiments", "beta_population", builders.rats_hierarchical, TWELVE),
    ("one-of-seven", "student_population", builders.trials_student, SEVEN),
    ("bringing-together", "crossed", builders.penicillin_crossed, datasets.penicillin()),
    ("radon", "varying_intercepts", builders.houses_intercepts, datasets.radon()),
    ("radon", "varying_slopes", builders.houses_slopes, datasets.radon()),
    ("ten-counties", "ten_counties", builders.houses_intercepts, TEN),
]


def loaded(node):
    """Names that a piece of code reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def stored(node):
    """Names that a piece of code assigns."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def shown_model(page, name):
    """Run the `with pm.Model(...) as name` of a page, and only what leads up to it."""
    notebook = jupytext.read(PAGES[page], fmt="md:myst")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    statements = ast.parse(code).body
    position, block = next(
        (i, node)
        for i, node in enumerate(statements)
        if isinstance(node, ast.With)
        and any(item.optional_vars is not None and item.optional_vars.id == name for item in node.items)
    )
    block.body = [node for node in block.body if "pm.sample" not in ast.unparse(node)]
    # What the block names itself, such as mu, is not what the page called so before.
    needed, kept = loaded(block) - stored(block), [block]
    for node in reversed(statements[:position]):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        if is_import or (isinstance(node, ast.Assign) and stored(node) & needed):
            kept.insert(0, node)
            needed |= loaded(node)
    namespace = {}
    exec(compile(ast.Module(kept, []), f"{page}.md", "exec"), namespace)
    return namespace[name]


def density(model):
    """Joint log density on the constrained scale, as a function of a point."""
    constrained = remove_value_transforms(model)
    return constrained.compile_logp(jacobian=False, mode=UNCOMPILED)


def draw_point(model, seed):
    """A point of the model's own prior, on the constrained scale."""
    names = [variable.name for variable in model.free_RVs]
    return dict(zip(names, pm.draw(model.free_RVs, random_seed=seed, mode=UNCOMPILED), strict=True))


@pytest.mark.parametrize(
    ("page", "name", "builder", "data"), SHOWN, ids=lambda value: getattr(value, "__name__", str(value)[:20])
)
def test_the_shown_model_is_the_built_one(page, name, builder, data):
    shown, built = shown_model(page, name), builder(data)
    assert {v.name for v in shown.free_RVs} == {v.name for v in built.free_RVs}
    shown_density, built_density = density(shown), density(built)
    for seed in range(3):
        point = draw_point(built, seed)
        np.testing.assert_allclose(shown_density(point), built_density(point), rtol=1e-10)


def test_every_fitted_model_of_a_page_is_compared_or_stands_alone():
    """A model that a page names must be in the list above, unless it has no builder of the same form."""
    own = {
        ("bringing-together", "nested"),
        ("practical-considerations", "marginal"),
        ("proportions", "logit_normal"),
    }
    found = set()
    for path in PAGES.values():
        notebook = jupytext.read(path, fmt="md:myst")
        for cell in notebook.cells:
            if cell.cell_type == "code":
                for node in ast.parse(cell.source).body:
                    if isinstance(node, ast.With) and "pm.Model" in ast.unparse(node.items[0].context_expr):
                        found.add((path.stem, node.items[0].optional_vars.id))
    assert found == own | {(page, name) for page, name, _, _ in SHOWN}
