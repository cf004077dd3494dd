"""The order of the examples: from what a newcomer wants to know to what few will need."""

ORDER = [
    "plot_four_situations.py",
    "plot_idea.py",
    "plot_slider.py",
    "plot_frozen_classifier.py",
    "plot_no_labels.py",
    "plot_other_columns.py",
    "plot_new_instrument.py",
    "plot_clinics.py",
    "plot_drifting_sensor.py",
    "plot_grid_search.py",
    "plot_few_labels.py",
    "plot_trust.py",
    "plot_dynamics.py",
    "plot_swiss_roll.py",
    "plot_tube_and_repulsion.py",
]


class NewcomersFirst:
    """Key of an example's file name; what is not in the list comes last, by name."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, file_name):
        return (ORDER.index(file_name) if file_name in ORDER else len(ORDER), file_name)
