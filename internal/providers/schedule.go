package providers

import (
	"context"
	"net/http"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Scheduler is a platform whose Pipeline renders the scheduled jobs, setup.RotateTokens and
// setup.RemindOfEnd, too.
type Scheduler interface {
	Scheduled() Scheduled
	// As is the store of the platform as a scheduled run sees it: with this log-in, in the form in which its
	// secret holds it, and no other.
	As(login *secret.Value) Store
}

// Scheduled is what scheduled runs need on a platform.
type Scheduled struct {
	Right string // what the log-in has to be allowed by which a run writes secrets, and nothing more
	Link  string // where a person makes it
	// Then is what a person does once the file is pushed, before the schedule counts; "" for nothing.
	Then string
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
	// twice has the effect of doing it once. Created says that there was none before, with an error as well:
	// then it may be there now.
	SetSchedule(ctx context.Context, r setup.Repository, s Schedule) (created bool, err error)
	// RemoveSchedule deletes the schedule of this name. One that is not there is no error.
	RemoveSchedule(ctx context.Context, r setup.Repository, name string) error
}

// ScheduleOf is the schedule of a plan for a scheduled job.
func ScheduleOf(p setup.Plan) Schedule {
	return Schedule{Name: "astro-ci " + p.Name, Cron: p.Pipeline.Cron, Branch: p.Pipeline.Branch, File: p.Pipeline.File}
}

// Timetable is how a service keeps the schedules of one name.
type Timetable[T any] struct {
	// Find lists them: more than one is of a create whose answer was lost.
	Find   func(context.Context) ([]T, error)
	Create func(context.Context) error
	// Change brings one that is there to what is wanted.
	Change func(context.Context, T) error
	Delete func(context.Context, T) error
}

// Set is the whole of Timer.SetSchedule.
func (t Timetable[T]) Set(ctx context.Context) (created bool, err error) {
	found, err := t.Find(ctx)
	if err != nil {
		return false, err
	}
	if len(found) == 0 {
		return true, t.Create(ctx)
	}
	if err := t.delete(ctx, found[1:]); err != nil {
		return false, err
	}
	return false, t.Change(ctx, found[0])
}

// Remove is the whole of Timer.RemoveSchedule.
func (t Timetable[T]) Remove(ctx context.Context) error {
	found, err := t.Find(ctx)
	if err != nil {
		return err
	}
	return t.delete(ctx, found)
}

// Replace makes a schedule anew, where it cannot be changed.
func (t Timetable[T]) Replace(ctx context.Context, x T) error {
	if err := t.delete(ctx, []T{x}); err != nil {
		return err
	}
	return t.Create(ctx)
}

// delete deletes schedules; that one is gone already is no error.
func (t Timetable[T]) delete(ctx context.Context, all []T) error {
	for _, x := range all {
		if err := t.Delete(ctx, x); err != nil && httpx.Status(err) != http.StatusNotFound {
			return err
		}
	}
	return nil
}
