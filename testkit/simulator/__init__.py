"""A seeded simulation of the delivery engine: its real state machine, worker and statements, on SQLite.

Time, receivers and the fate of processes are made up. From one number come the sends of several apps, the
answers and silences of receivers, the deaths and pauses of workers at any await or between any two
statements, errors of the database (at a statement, at COMMIT before it and after it), and jumps of its clock.
After every commit the rows are held against the rules (`audit`), and in the end everything must have ended.

    python -m testkit.simulator 17          # repeats seed 17 and prints all that happened
    python -m testkit.simulator 0-999       # looks for seeds that break a rule
"""

from testkit.simulator.database import Place
from testkit.simulator.run import Outcome, simulate

__all__ = ["Outcome", "Place", "simulate"]
