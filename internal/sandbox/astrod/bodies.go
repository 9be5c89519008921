package astrod

// who is the subject that made the default data.
var who = map[string]any{"id": "cm00000000000000000000001", "subjectType": "USER", "username": "ada@acme.example", "fullName": "Ada Example"}

func organizationBody(o organization) map[string]any {
	return map[string]any{
		"id": o.ID, "name": o.Name, "product": "HOSTED", "status": "ACTIVE", "hasAllowedIpAddressRanges": o.IPAllowList,
		"allowEnhancedSupportAccess": false, "isBlockedEnableAiFeatures": false, "isScimEnabled": false, "shouldEnforceDedicatedClusters": false,
		"productPlans": []any{map[string]any{"astronomerProduct": "ASTRO", "organizationId": o.ID, "productPlanId": "plan", "productPlanName": o.Plan}},
		"createdAt":    stamp, "updatedAt": stamp, "createdBy": who, "updatedBy": who,
	}
}

func (s *Server) workspaceBody(w workspace) map[string]any {
	return map[string]any{
		"id": w.ID, "name": w.Name, "organizationId": w.Organization, "cicdEnforcedDefault": w.CICDEnforced, "createdAt": stamp, "updatedAt": stamp,
	}
}

func (s *Server) deploymentBody(d deployment) map[string]any {
	org, _, _ := s.lineage(d.ID)
	name := ""
	for _, w := range s.state.Workspaces {
		if w.ID == d.Workspace {
			name = w.Name
		}
	}
	out := map[string]any{
		"id": d.ID, "name": d.Name, "workspaceId": d.Workspace, "workspaceName": name, "organizationId": org, "status": d.Status, "type": "STANDARD",
		"isDagDeployEnabled": d.DAGDeploys, "isCicdEnforced": d.CICDEnforced, "isDevelopmentMode": false,
		"airflowVersion": "3.0.6", "astroRuntimeVersion": "3.0-10", "runtimeVersion": "3.0-10", "namespace": "sandbox",
		"schedulerReplicas": 1, "createdAt": stamp, "updatedAt": stamp, "createdBy": who, "updatedBy": who,
	}
	for _, k := range []string{
		"apiUrl", "imageRepository", "imageTag", "schedulerCpu", "schedulerMemory", "uiUrl", "webServerAirflowApiUrl", "webServerCpu",
		"webServerIngressHostname", "webServerMemory", "webServerUrl",
	} {
		out[k] = "sandbox"
	}
	return out
}

func deployBody(x deploy, d deployment, host string) map[string]any {
	return map[string]any{
		"id": x.ID, "deploymentId": x.Deployment, "type": x.Type, "status": x.Status, "createdAt": at(x.CreatedAt), "isDagDeployEnabled": d.DAGDeploys,
		"imageRepository": "sandbox", "imageTag": "sandbox", "dagTarballVersion": x.Version, "dagsUploadUrl": "http://" + host + "/upload/" + x.ID,
	}
}

func (s *Server) customRoleBody(x role) map[string]any {
	return map[string]any{
		"id": x.ID, "name": x.Name, "description": x.Description, "scopeType": x.Scope, "restrictedWorkspaceIds": []string{},
		"createdAt": at(x.CreatedAt), "updatedAt": at(x.CreatedAt), "createdBy": who, "updatedBy": who,
	}
}

// tokenBody describes a token; only create and rotate show the value.
func (s *Server) tokenBody(t *token, withValue bool) map[string]any {
	roles := []any{}
	for _, g := range t.Roles {
		roles = append(roles, map[string]any{"entityType": g.EntityType, "entityId": g.EntityID, "role": g.Role})
	}
	by := s.subject(t)
	out := map[string]any{
		"id": t.ID, "name": t.Name, "description": t.Description, "scope": t.Scope, "kind": t.Kind, "roles": roles,
		"startAt": at(t.StartAt), "createdAt": at(t.CreatedAt), "updatedAt": at(t.UpdatedAt), "createdBy": by, "updatedBy": by,
	}
	if t.Days > 0 {
		out["expiryPeriodInDays"], out["endAt"] = t.Days, at(t.EndAt)
	}
	if !t.LastUsedAt.IsZero() {
		out["lastUsedAt"] = at(t.LastUsedAt)
	}
	if !t.LastRotatedAt.IsZero() {
		out["lastRotatedAt"] = at(t.LastRotatedAt)
	}
	_ = s.value(t).Use(func(b []byte) error {
		// The last characters of the signature tell tokens apart and reveal nothing.
		out["shortToken"] = string(b[len(b)-6:])
		if withValue {
			out["token"] = string(b)
		}
		return nil
	})
	return out
}
