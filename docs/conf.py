"""Sphinx configuration. `make docs` treats every warning as an error."""

import sys
from pathlib import Path

import skflow

sys.path.insert(0, str(Path(__file__).parent))  # for the order of the examples

project = "skflow"
author = "the skflow developers"
project_copyright = author
release = version = skflow.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "code"  # `name` in a docstring is code, whether or not there is a page about it

autosummary_generate = True
autodoc_typehints = "none"  # the parameter sections say it in words
# The class template lists the methods, without those that scikit-learn gives to every estimator.
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "skflow"
html_show_sourcelink = False
html_search_scorer = str(Path(__file__).with_name("scorer.js"))  # pages for readers first
html_theme_options = {"secondary_sidebar_items": ["page-toc"], "header_links_before_dropdown": 4}
# Pages that have none below them need no list of these.
ALONE = (
    "which",
    "wrong",
    "questions",
    "quickstart",
    "user_guide",
    "mathematics",
    "reproduced",
    "compare",
    "glossary",
    "tested",
)
html_sidebars = {page: [] for page in ALONE}

linkcheck_ignore = [r"auto_examples/"]  # pictures' links within the pages, which a test follows
linkcheck_timeout = 20

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "_gallery.NewcomersFirst",
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "matplotlib_animations": (True, "jshtml"),  # with a slider, and all frames in the page
}
