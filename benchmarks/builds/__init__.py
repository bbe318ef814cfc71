"""How long figures take: a full build beside an incremental one."""
