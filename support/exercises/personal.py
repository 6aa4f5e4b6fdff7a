"""The data of each exercise: the source's, or a student's own, drawn from a seed of the student's id."""

import hashlib
import json
from functools import cache
from importlib import resources

import numpy as np
import xarray as xr

from notebook_marking.answers import plain_id
from support import datasets

_TEN = [
    "Blue Earth",
    "Freeborn",
    "Itasca",
    "Koochiching",
    "Lac Qui Parle",
    "Lake",
    "Lyon",
    "Ramsey",
    "Wadena",
    "Washington",
]


@cache
def forms() -> dict:
    """Forms of all answers: exercise, then part, then name.

    They are the public part of the marking schemes in ``solutions/``; ``make exercises`` writes them.

    See Also
    --------
    notebook_marking.scheme.Scheme.forms : Those of one exercise, from its scheme.

    Examples
    --------
    >>> forms()["5.8.1"]["parts"]["a"]["factors"]["shape"]
    [8]
    """
    path = resources.files("support") / "data" / "forms.json"
    return json.loads(path.read_text(encoding="utf-8"))


def seed(exercise: str, student: str) -> int:
    """Seed of the data of one student in one exercise.

    The first eight bytes, as a number, of the SHA-256 hash of ``exercise:student``, in small letters and
    without blanks around the id: whoever knows the id can draw the data again.

    Parameters
    ----------
    exercise : str
        Such as ``"5.8.1"``.
    student : str
        The student's id.

    Returns
    -------
    int
        From 0 to 2**64 - 1.

    See Also
    --------
    data : What is drawn with it.

    Examples
    --------
    >>> seed("5.8.1", "Ada") == seed("5.8.1", " ada ")
    True
    >>> seed("5.8.1", "ada") == seed("5.8.2", "ada")
    False
    """
    text = f"{exercise}:{plain_id(student)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def data(exercise: str, student: str = "") -> dict:
    """Data of an exercise.

    Parameters
    ----------
    exercise : str
        Such as ``"5.8.1"``.
    student : str
        A student's id, whose data are drawn from `seed`; empty for the data of the source.

    Returns
    -------
    dict of str to tuple of xarray.DataArray
        The data under ``""``; the data of a part that has its own under the letter of that part.

    Raises
    ------
    ValueError
        If there is no such exercise, or `student` is no text.

    See Also
    --------
    support.exercises.Answers : What a student's notebook calls.
    seed : Seed of a student's data.

    Examples
    --------
    >>> effect, standard_error = data("5.8.1")[""]
    >>> effect.values.tolist()
    [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
    >>> effect, standard_error = data("5.8.1", "ada")[""]
    >>> sorted(standard_error.values.tolist())
    [9.0, 10.0, 10.0, 11.0, 11.0, 15.0, 16.0, 18.0]
    """
    if not isinstance(student, str):
        raise ValueError(f"student is {student!r}: give the id as text, such as '{student}'")
    if exercise not in forms():
        raise ValueError(f"exercise is {exercise!r}: give one of {', '.join(map(repr, forms()))}")
    rng = np.random.default_rng(seed(exercise, student)) if student.strip() else None
    drawn = _DRAW[forms()[exercise]["data"]](rng)
    return drawn if isinstance(drawn, dict) else {"": drawn}


def _schools(rng, means=(2, 20)):
    """Effects and standard errors of eight schools."""
    schools = datasets.eight_schools()
    effect, error = schools["effect"], schools["standard_error"]
    if rng is None:
        return effect, error
    error, mean, reports = error.copy(data=rng.permutation(error)), rng.uniform(*means), 99 * np.arange(8)
    # Until noise alone, without the source's tau of 6, would do: so tau may be small, as the exercises say.
    while (((reports - np.average(reports, weights=error**-2)) / error) ** 2).sum() >= error.size:
        reports = rng.normal(rng.normal(mean, 6.0, error.size), error).round() + 0.0
    return effect.copy(data=reports), error


def _new_group(rng):
    """Eight schools, and for part (d) twelve schools of two kinds."""
    schools = _schools(rng, means=(-20, 40))
    own = {}
    if rng is not None:
        own = {"mu": rng.uniform(0, 25), "tau": rng.uniform(1, 10)}
        own["standard_error_range"] = rng.uniform(6, 12) * np.array([1, 2])
    kinds = datasets.simulate_schools_with_covariate(rng or np.random.default_rng(42), **own)
    return {"": schools, "d": (kinds["effect"], kinds["standard_error"], kinds["private"])}


def _hospitals(rng):
    """Counts and exposures of eight hospitals."""
    hospitals = datasets.hospitals()
    if rng is not None:
        # Hospital 5 stays the smallest, as the exercise says.
        exposure = datasets.HOSPITAL_EXPOSURE * rng.uniform(0.8, 1.25, size=8) * rng.uniform(0.6, 1.3)
        own = {"mu_log": rng.uniform(-0.7, 1.5), "sigma_log": rng.uniform(0.3, 1)}
        hospitals = datasets.simulate_hospitals(rng, exposure=exposure.round(2), **own)
    return hospitals["count"], hospitals["exposure"]


def _survey(rng):
    """Responses in the six regions of the survey."""
    if rng is None:
        return (datasets.survey()["count"],)
    sizes = (datasets.SURVEY_SIZES * rng.uniform(0.6, 1.6, size=6)).astype(int)
    baseline = datasets.SURVEY_BASELINE * rng.uniform(0.5, 1.5, size=4)
    own = {"sizes": sizes, "baseline": baseline / baseline.sum(), "concentration": rng.uniform(5, 12)}
    return (datasets.simulate_survey(rng, **own)["count"],)


def _unequal_regions(rng):
    """Responses in six regions, one of them with 10 respondents and one with 500."""
    own = {"concentration": rng.uniform(4, 12)} if rng else {}
    rng = rng or np.random.default_rng(seed("try-unequal-regions", ""))
    return (datasets.simulate_survey(rng, sizes=(10, 120, 60, 80, 35, 500), **own)["count"],)


def _twelve_experiments(rng):
    """Tumours and rats of twelve experiments, one of which has no tumour among 20 rats."""
    some = datasets.rat_tumours().sel(experiment=[1, 15, 24, 32, 36, 37, 43, 44, 56, 58, 61, 70])
    tumours, rats = some["tumours"], some["rats"]
    if rng is None:
        return tumours, rats
    others = rng.permutation(rats[1:]) * rng.uniform(0.75, 1.3, size=11)
    rats = rats.copy(data=np.append(rats[0], others.round().astype(int)))
    mean, concentration = rng.uniform(0.1, 0.25), rng.uniform(6, 30)
    counts = np.ones(12, dtype=int)
    while counts[0] > 0 or counts[1:].min() == 0:
        rates = rng.beta(mean * concentration, (1 - mean) * concentration, size=12)
        counts = rng.binomial(rats, rates)
    return tumours.copy(data=counts), rats


def _seven_trials(rng):
    """Effects and standard errors of seven trials, of which one reports far more than the others."""
    trials = datasets.bcg_trials().sel(trial=[1, 2, 3, 4, 6, 8, 10])
    effect, error = trials["effect"], trials["standard_error"]
    if rng is None:
        return effect, error
    error = error.copy(data=(rng.permutation(error) * rng.uniform(0.8, 1.25, size=7)).round(3))
    precise, mean, tau = int(error.values.argmin()), rng.uniform(-1.6, -0.8), rng.uniform(0.1, 0.3)
    reports = np.zeros(7)
    while reports[precise] < np.delete(reports, precise).max() + 0.4:
        theta = rng.normal(mean, tau, size=7)
        theta[precise] = mean + rng.uniform(1.0, 1.8)
        reports = rng.normal(theta, error).round(3)
    return effect.copy(data=reports), error


def _ten_counties(rng):
    """Radon and floor of 143 houses, whose county is a coordinate, and the uranium of ten counties."""
    all_houses = datasets.radon()
    uranium = all_houses["uranium"].sel(county=_TEN)
    kept = all_houses.sel(house=all_houses["of_county"].isin(_TEN))
    if rng is None:
        county, floor, radon = (kept[name].values for name in ("of_county", "floor", "radon"))
    else:
        sizes = rng.permutation([(kept["of_county"] == name).sum().item() for name in _TEN])
        county, floor = np.repeat(_TEN, sizes), rng.binomial(1, 0.2, size=sizes.sum()).astype(float)
        line = rng.uniform(1.0, 1.6) + rng.uniform(0.5, 1.0) * uranium
        # Scales larger than those of the source's data, so that nobody has its answers.
        own = line.copy(data=rng.normal(line, rng.uniform(0.4, 0.8))).sel(county=county).values
        log_radon = rng.normal(own - rng.uniform(0.4, 0.9) * floor, rng.uniform(0.95, 1.15))
        radon = np.maximum(np.exp(log_radon).round(1), 0.1)
    houses = {"house": np.arange(1, len(county) + 1), "county": ("house", county)}
    return xr.DataArray(radon, houses, "house"), xr.DataArray(floor, houses, "house"), uranium


_DRAW = {
    "schools": _schools,
    "schools-of-two-kinds": _new_group,
    "hospitals": _hospitals,
    "survey": _survey,
    "unequal-survey": _unequal_regions,
    "twelve-experiments": _twelve_experiments,
    "seven-trials": _seven_trials,
    "ten-counties": _ten_counties,
}
NAMES = tuple(_DRAW)
