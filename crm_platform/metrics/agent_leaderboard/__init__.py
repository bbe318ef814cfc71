"""All that kpi.agent_leaderboard is."""
