"""How a run's steps are executed: in the run's own process, unless its configuration asks for one a step.

What belongs here: that choice. What does not: how runs are launched (dagster.yaml).

Three assets take 3.6 s in one process and 17 s in one each; Dagster's own selectable executor has the second as its
default. Ask for it with `execution: {config: {multiprocess: {max_concurrent: 2}}}`.
"""

import dagster as dg


@dg.executor(
    name="in_process_or_multiprocess",
    config_schema=dg.Field(
        dg.Selector(  # type: ignore[no-untyped-call]
            {
                "in_process": dg.in_process_executor.config_schema.as_field(),
                "multiprocess": dg.multiprocess_executor.config_schema.as_field(),
            }
        ),
        default_value={"in_process": {}},
    ),
    requirements=lambda config: dg.multiple_process_executor_requirements() if "multiprocess" in config else [],
)
def in_process_or_multiprocess(context: dg.InitExecutorContext) -> dg.Executor:
    """Pick the executor that the run's configuration names."""
    creation = dg.multi_or_in_process_executor.executor_creation_fn
    assert creation is not None
    return creation(context)
