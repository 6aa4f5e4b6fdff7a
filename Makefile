# `make book` is all a reader needs; `make help` lists the rest.
# Python in an environment of the project's own: see tooling/environment.py.
PYTHON := .venv/bin/python -ES tooling/environment.py
PORT := 8000
# A kernel's minute to start, which nbval gives it, is too short where the disk is busy.
NBVAL := --nbval-lax --nbval-kernel-startup-timeout=300

# The value of a variable for the shell, as it was given: with its blanks, quotes and dollars.
quoted = '$(subst ','\'',$(value $1))'

# They count on the command line only: a SEED or OUT that the shell has for something else means nothing here.
# They stay here, too: what make passes on to the environment of a command, it expands.
ASKED := SEED SAMPLER CLASS LIVE MODEL PART PAGE COUNT OUT SUBMISSIONS OPTIONS REPOSITORY
$(foreach name,$(ASKED),$(if $(filter environment,$(origin $(name))),$(eval $(name) :=)))
unexport PORT $(ASKED)

.DEFAULT_GOAL := help
.PHONY: help calibration page-sampler setup book pdf page serve lab exercises expect grade review student-copy test test-quick steady test-live study bench mutants fuzz peers packages picture lock clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

setup:  ## install the environment into .venv (outside this folder, uv keeps its downloads for other projects)
	@sh tooling/scripts/setup.sh

book: setup  ## execute every notebook and build the HTML; any fault fails it (CLASS=1: no solutions; LIVE=0: no cells that run in the page)
	@$(PYTHON) tooling/scripts/build.py $(if $(filter-out 0,$(value CLASS)),--class)
	@$(if $(filter 0,$(value LIVE)),,sh tooling/scripts/setup.sh --carrier && )\
		$(PYTHON) tooling/live/assemble.py $(if $(filter-out 0,$(value CLASS)),--class _build/class/html,_build/html) $(if $(filter 0,$(value LIVE)),--without)

pdf: setup  ## make one PDF of the whole book, and a handout of each chapter and of the exercises (needs Chromium)
	@$(PYTHON) tooling/scripts/pdf.py

page: setup  ## preview one page: make page PAGE=chapters/eight-schools.md
	$(if $(value PAGE),,$(error Say which page: make page PAGE=chapters/recap.md))
	@$(PYTHON) tooling/scripts/build.py --only $(call quoted,PAGE)

serve: book  ## build the book and show it at http://localhost:8000 (PORT=8000)
	@$(PYTHON) tooling/scripts/serve.py $(call quoted,PORT)

lab: setup  ## open the book as notebooks in JupyterLab (as root: OPTIONS=--allow-root)
	@$(PYTHON) --lab -m jupytext_config set-default-viewer markdown
	@$(PYTHON) --lab -m jupyterlab $(value OPTIONS)

exercises: setup  ## make exercises/ from solutions/
	@$(PYTHON) tooling/scripts/exercises.py

expect: setup  ## write into pages the intervals that their cells work out: make expect PAGE=chapters/recap.md
	@$(PYTHON) -m pytest $(NBVAL) --nbval-cell-timeout=300 --myst-nbval-write \
		$(if $(value PAGE),$(call quoted,PAGE),chapters solutions)

# Make itself ends with status 2 where the command ends with 3; `notebook-marking --help` says more.
grade: setup  ## mark a class: make grade SUBMISSIONS=folder OUT=folder (OPTIONS="--jobs 4")
	$(if $(and $(value SUBMISSIONS),$(value OUT)),,$(error Say where the notebooks are and where the grades \
		should go: make grade SUBMISSIONS=folder OUT=folder))
	@$(PYTHON) -m notebook_marking $(call quoted,SUBMISSIONS) $(call quoted,OUT) $(value OPTIONS)

review: setup  ## mark prose by click, in a browser on this computer: make review OUT=folder
	$(if $(value OUT),,$(error Say where the grades are: make review OUT=folder))
	@$(PYTHON) -m notebook_marking.desk $(call quoted,OUT)

student-copy: setup  ## make what a class gets: make student-copy OUT=folder (REPOSITORY=https://github.com/…)
	$(if $(value OUT),,$(error Say where the copy should go: make student-copy OUT=folder))
	@$(PYTHON) tooling/scripts/student_copy.py $(call quoted,OUT) --repository $(call quoted,REPOSITORY)

# Pages first: what they show is kept for the build, which the tests of the built book need. It is started by one
# process while the others have tests that need no book, and would else wait for it. Three processes
# keep two cores busy: tests wait for browsers and for time limits.
# With SEED or SAMPLER, only what depends on them: the pages. PyMC's own NUTS takes its time.
test: setup  ## run all tests and every page against its stated outputs (SEED=7 SAMPLER=pymc)
	@$(if $(value SEED)$(value SAMPLER),,sh tooling/scripts/setup.sh --carrier)
	@$(if $(value SEED),BOOK_SEED=$(call quoted,SEED)) $(if $(value SAMPLER),BOOK_SAMPLER=$(call quoted,SAMPLER)) \
		$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(NBVAL) \
		--nbval-cell-timeout=$(if $(value SAMPLER),1200,300) \
		chapters exercises solutions \
		$(if $(value SEED)$(value SAMPLER),,tests/audit tests/book/test_published.py packages tests)

test-quick: setup  ## run each test that takes no more than a fifth of a second: three in five of all
	@$(PYTHON) -m pytest -n 2 --dist loadfile -m quick tests packages

steady: setup  ## run what waits for browsers and sandboxes twenty times, with all cores busy (hours; COUNT=3)
	@sh tooling/scripts/setup.sh --carrier
	@sh tooling/scripts/steady.sh $(if $(value COUNT),$(call quoted,COUNT),20)

test-live: setup  ## run every cell of every page in Chromium
	@sh tooling/scripts/setup.sh --carrier
	@$(PYTHON) -m pytest -n 2 --every-page tests/live

study: setup  ## repeat the fits over 20 seeds and both samplers (an hour or more)
	@$(PYTHON) tooling/scripts/study.py

calibration: setup  ## fit every model to data of its own, against its exact posterior (forty minutes; MODEL=schools_none: one)
	@$(PYTHON) tooling/scripts/calibration.py $(if $(value MODEL),--model $(call quoted,MODEL))

page-sampler: setup  ## hold the sampler of the pages against exact posteriors and nutpie (an hour; MODEL=schools_none: one)
	@$(PYTHON) tooling/scripts/page_sampler.py $(if $(value MODEL),--model $(call quoted,MODEL))

bench: setup  ## measure builds, tests, pages and exact answers into tooling/benchmarks/ (an hour; PART=live: one script)
	@$(PYTHON) tooling/scripts/bench.py $(if $(value PART),--part $(call quoted,PART))

fuzz: setup  ## put the exact engine to 10,000 random and nasty problems (hours; COUNT=1000)
	@$(PYTHON) packages/hierarchical-exact/tests/fuzz.py --count $(if $(value COUNT),$(call quoted,COUNT),10000)

peers: setup  ## hold the exact engine against metafor, lme4, bayesmeta, JAGS (in R) and nutpie; writes the numbers of its README
	@OMP_NUM_THREADS=1 .venv/bin/python packages/hierarchical-exact/tests/peers/compare.py

mutants: setup  ## break the book in many single ways; the tests must notice each
	@$(PYTHON) tooling/scripts/mutants.py

# It fetches packages, with the user's settings of where from.
packages: setup  ## try each package, and a downloaded page, alone in a fresh environment
	@.venv/bin/python -E tooling/scripts/packages.py

picture: setup  ## draw the picture of README.md anew
	@$(PYTHON) tooling/scripts/picture.py

lock:  ## compile requirements.txt anew from pyproject.toml
	@sh tooling/scripts/setup.sh --lock

clean:  ## remove what was built and cached (the environment stays)
	rm -f .cache/live/stamp _build/built-from  # first, for they say that all the rest is there
	rm -rf _build .cache .venv/home .jupyter_cache jupyter_execute .pytest_cache .hypothesis .ruff_cache
