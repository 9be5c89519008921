package providertest

import (
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// TimerWorld is a platform that keeps schedules, on a fresh embedded server.
type TimerWorld struct {
	Timer  providers.Timer
	Faults *fault.Set
	Deny   func()                       // takes the right to make schedules away
	Kept   func() []providers.Schedule  // what the server holds, without files
	Create func() (method, path string) // the request that makes a schedule
}

// Timers runs the suite for schedules that are no part of a file.
func Timers(t *testing.T, r setup.Repository, fresh func(t *testing.T) *TimerWorld) {
	s := providers.Schedule{Name: "astro-ci etl-prod-rotation", Cron: "19 20 * * 6", Branch: "main", File: "x.yml"}
	other := providers.Schedule{Name: "nightly", Cron: "1 2 * * *", Branch: "main"}
	kept := func(t *testing.T, w *TimerWorld, want ...providers.Schedule) {
		t.Helper()
		got := w.Kept()
		if len(got) != len(want) {
			t.Fatalf("kept %v, want %v", got, want)
		}
		for i := range want {
			want[i].File = ""
			if got[i] != want[i] {
				t.Errorf("kept %v, want %v", got[i], want[i])
			}
		}
	}
	t.Run("twice is once", func(t *testing.T) {
		w := fresh(t)
		if _, err := w.Timer.SetSchedule(t.Context(), r, other); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if created, err := w.Timer.SetSchedule(t.Context(), r, s); err != nil || created != (i == 0) {
				t.Errorf("%d: %v, %v", i, created, err)
			}
		}
		kept(t, w, other, s)
		daily := s
		daily.Cron = "19 20 * * *"
		if created, err := w.Timer.SetSchedule(t.Context(), r, daily); err != nil || created {
			t.Errorf("changed: %v, %v", created, err)
		}
		kept(t, w, other, daily)
		for range 2 {
			if err := w.Timer.RemoveSchedule(t.Context(), r, s.Name); err != nil {
				t.Error(err)
			}
		}
		kept(t, w, other)
	})
	t.Run("an answer is lost", func(t *testing.T) {
		w := fresh(t)
		method, path := w.Create()
		w.Faults.Add(Lost(method, path))
		if _, err := w.Timer.SetSchedule(t.Context(), r, s); err == nil {
			t.Error("it counts as made")
		}
		if _, err := w.Timer.SetSchedule(t.Context(), r, s); err != nil {
			t.Error(err)
		}
		kept(t, w, s)
	})
	t.Run("not allowed", func(t *testing.T) {
		w := fresh(t)
		w.Deny()
		if _, err := w.Timer.SetSchedule(t.Context(), r, s); err == nil {
			t.Error("it is made")
		}
		kept(t, w)
	})
}
