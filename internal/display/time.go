package display

import "time"

// Times are shown to people as the clock beside them tells them. What programs read is in UTC.

// Day is the day of a time: 2026-11-27.
func Day(t time.Time) string { return t.Local().Format(time.DateOnly) }

// Minute is a time to the minute: 2026-11-27 18:56.
func Minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// Second is a time to the second: 2026-11-27 18:56:46.
func Second(t time.Time) string { return t.Local().Format(time.DateTime) }
