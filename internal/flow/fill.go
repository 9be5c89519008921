package flow

import (
	"context"
)

// Fill answers every question without asking: from what was given, from a lone choice, or from the
// default of a question that does not decide rights. What is left comes back as a *MissingError
// that lists all of it at once.
func Fill(ctx context.Context, w *Walk) error {
	var missing []Missing
	open := map[string]bool{}  // steps without an answer
	wrong := map[string]bool{} // of those: because of an answer that cannot be used, here or before
	for _, s := range w.steps {
		if !w.Applies(s) {
			continue
		}
		blocked := false
		for _, need := range s.Needs {
			blocked = blocked || open[need]
			wrong[s.ID] = wrong[s.ID] || wrong[need]
		}
		if blocked {
			// Its choices cannot be known yet. It is missing unless something was given, or unless it only
			// waits for another answer to be corrected.
			open[s.ID] = true
			if w.given[s.ID] == "" && s.Explicit && !wrong[s.ID] {
				missing = append(missing, Missing{Step: s})
			}
			continue
		}
		ready, err := w.Prepare(s)(ctx)
		if err != nil {
			return err // the choices could not be loaded: no answer would help
		}
		if s.Explicit && ready.Source == Default {
			ready.Answer = nil // a person would have seen it on the review
		}
		if ready.Answer == nil && ready.Refused == nil && !s.Explicit {
			if c, ok := ready.Choices.fallback(s); ok {
				ready.Answer, ready.Source = &c, Default
			}
		}
		problem := ready.Refused
		if ready.Answer != nil {
			if problem = w.Answer(s, *ready.Answer, ready.Source); problem == nil {
				continue
			}
		}
		open[s.ID], wrong[s.ID] = true, problem != nil
		missing = append(missing, Missing{Step: s, Choices: ready.Choices, Problem: problem})
	}
	if len(missing) > 0 {
		return &MissingError{Items: missing}
	}
	return nil
}
