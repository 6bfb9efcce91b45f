"""Plans for tests: a good one, which each test spoils with the one flag it is about."""

from datetime import date
from pathlib import Path

from jobs.laptop.promotion import plan
from jobs.laptop.promotion.plan import Plan
from jobs.laptop.promotion.promotion import promotion
from jobs.laptop.promotion.target import parse, parser
from jobs.streaming_product_discounts import JOB as DISCOUNTS

TODAY = date(2026, 11, 23)
PLACE = ("--cluster=spark-streaming", "--region=us-central1", "--bucket=my-bucket", "--project=my-project")
IMAGE = "--image-version=2.3-debian12"
DELTA = ("--sink=delta", "--sink-path=gs://my-bucket/insights")
LITE = (*PLACE, IMAGE, "--project-number=123456", "--source=pubsublite", *DELTA)
KAFKA = (*PLACE, IMAGE, "--source=kafka", "--kafka-bootstrap-servers=broker:9092", *DELTA)


def planned(output: Path, *flags: str, today: date = TODAY) -> Plan:
    """Return the plan of the discounts job for these flags; its package lies below `output`."""
    target, of_the_job, _ = parse(parser("plan"), [f"--output={output}", *flags])
    return plan.make(promotion(DISCOUNTS, target, of_the_job), today)


def refusals(made: Plan) -> list[str]:
    """Return the refusals, without that word."""
    found = [str(finding) for finding in made.findings if finding.kind == "refused"]
    return [text.removeprefix("refused: ") for text in found]


def warnings(made: Plan) -> list[str]:
    """Return the warnings, without that word."""
    return [str(finding).removeprefix("warning: ") for finding in made.findings if finding.kind == "warning"]


def commands(made: Plan) -> list[tuple[str, ...]]:
    """Return every command of the plan, including those that ask."""
    steps = [step for section in made.sections for step in section.steps]
    return [command for step in steps for command in (step.command, step.unless) if command]
