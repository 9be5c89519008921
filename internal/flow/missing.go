package flow

import (
	"slices"
	"strings"
)

// Missing is a question without a usable answer.
type Missing struct {
	Step    Step
	Choices Choices // what could be answered; empty when that depends on another missing answer
	Problem error   // why the given answer cannot be used; nil: none was given
}

// MissingError lists all missing answers at once.
type MissingError struct{ Items []Missing }

func (e *MissingError) Error() string {
	var names []string
	for _, m := range e.Items {
		if m.Problem == nil {
			names = append(names, "--"+m.Step.Flag)
		}
	}
	var problems []string
	if len(names) > 0 {
		problems = append(problems, "missing: "+strings.Join(names, ", "))
	}
	for _, m := range e.Items {
		if m.Problem != nil {
			problems = append(problems, m.Problem.Error())
		}
	}
	return strings.Join(problems, "; ")
}

// Wrong reports whether every item is an answer that was given but cannot be used.
func (e *MissingError) Wrong() bool {
	return !slices.ContainsFunc(e.Items, func(m Missing) bool { return m.Problem == nil })
}
