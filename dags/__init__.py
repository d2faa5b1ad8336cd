"""When and in what order: one timetable per file; the work is in pipeline/."""
