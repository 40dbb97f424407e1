"""How programs are compiled: functions of a program and a run, one a file."""
