"""Our binary between two SIPp processes: every row of `sipp_scenarios/README.md`, played."""
