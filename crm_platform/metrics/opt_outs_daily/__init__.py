"""All that kpi.opt_outs_daily is."""
