"""What a job says: its log, and the reports that it leaves."""
