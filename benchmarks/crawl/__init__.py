"""How soon does each way of crawling see a message? A simulated CRM, four crawlers, one table, one plot.

What belongs here: the world (nothing of it follows the planner's own model), the baselines, the replay, the report.
What does not: the planner, which is the product's (`crm_platform.ingest.planner`), driven through its public surface.
"""
