"""Many items through one job: in this process, in many, or on a Ray cluster, with the same results.

`run_jobs` gives every item to a worker, replaces workers that die and hands each result to a
callback in this process. A job decides what an item is and what a worker keeps from item to item.
Which items are still to be done is the caller's business: it keeps the results.
"""

from panodepth.jobs.job import ENGINES, Job, Workers
from panodepth.jobs.runner import run_jobs
from panodepth.jobs.threads import limited_threads

__all__ = ["ENGINES", "Job", "Workers", "limited_threads", "run_jobs"]
