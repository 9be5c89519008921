package providers

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Scheduler is a platform whose Pipeline renders the scheduled jobs, setup.RotateTokens and
// setup.RemindOfEnd, too.
type Scheduler interface {
	Scheduled() Scheduled
}

// Scheduled is what scheduled runs need on a platform.
type Scheduled struct {
	Right string // what the log-in has to be allowed by which a run writes secrets, and nothing more
	Link  string // where a person makes it
	// Issues says that a run can open an issue by a token that the platform gives it.
	Issues bool
}

// Schedule is when a platform runs a pipeline, where that is no part of the file.
type Schedule struct {
	Name   string // what people see; it tells setups apart
	Cron   string // five fields, in UTC
	Branch string
	File   string // the pipeline file, slash-separated, relative to the repository's root
}

// Timer is a Scheduler that keeps schedules apart from the file.
type Timer interface {
	Scheduler
	// SetSchedule makes the schedule of this name, or brings the one that is there to what is said. Doing it
	// twice has the effect of doing it once.
	SetSchedule(ctx context.Context, r setup.Repository, s Schedule) (created bool, err error)
	// RemoveSchedule deletes the schedule of this name. One that is not there is no error.
	RemoveSchedule(ctx context.Context, r setup.Repository, name string) error
}

// ScheduleOf is the schedule of a plan for a scheduled job.
func ScheduleOf(p setup.Plan) Schedule {
	return Schedule{Name: "astro-ci " + p.Name, Cron: p.Pipeline.Cron, Branch: p.Pipeline.Branch, File: p.Pipeline.File}
}
