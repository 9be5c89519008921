package flow

import "slices"

// Like returns the answers that repeat an earlier set-up with some answers changed: an earlier answer that
// builds, directly or not, on a changed one is left out. fresh names a step that is to be answered anew
// when nothing else differs.
func Like(steps []Step, earlier, given map[string]string, fresh string) map[string]string {
	changed, out := map[string]bool{}, map[string]string{}
	for _, s := range steps {
		if v := given[s.ID]; v != "" && v != earlier[s.ID] {
			changed[s.ID] = true
		}
	}
	if len(changed) == 0 {
		changed[fresh] = true
	}
	for _, s := range steps {
		switch {
		case given[s.ID] != "":
			out[s.ID] = given[s.ID]
		case changed[s.ID] || slices.ContainsFunc(s.Needs, func(id string) bool { return changed[id] }):
			changed[s.ID] = true
		case earlier[s.ID] != "":
			out[s.ID] = earlier[s.ID]
		}
	}
	return out
}
