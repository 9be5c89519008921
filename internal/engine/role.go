package engine

import (
	"context"
	"fmt"
	"strings"
)

// role makes the custom role when there is none yet.
func (b *builder) role() {
	p := b.plan
	if len(p.NewRole) == 0 {
		return
	}
	made := ""
	b.add(Action{
		Key: "role:create", Say: fmt.Sprintf("Create the custom role %s with exactly %s", p.Credential.Role, strings.Join(p.NewRole, " and ")),
		UndoSays: "Delete the custom role " + p.Credential.Role,
		Do: func(ctx context.Context) (string, error) {
			r, created, err := b.Issuer.CreateRole(ctx, p.Organization.ID, p.Credential.Role, p.NewRole)
			if err != nil {
				return "", err
			}
			if !created {
				return "it is there already", nil
			}
			made, b.began = r.ID, true
			return r.ID, nil
		},
		Stands: func() bool { return made != "" },
		Undo: func(ctx context.Context) (string, error) {
			if made == "" {
				return "it was there before", nil
			}
			return made, b.Issuer.DeleteRole(ctx, p.Organization.ID, made)
		},
	})
}
