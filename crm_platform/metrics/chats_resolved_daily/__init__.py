"""All that kpi.chats_resolved_daily is."""
