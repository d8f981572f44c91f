"""What all dashboards share: variables, links, and marks where the deployment changed."""

from panels import DATASOURCE, placed

TAG = "stillhouse"


def label_values(name, family):
    """A variable over the values of the label of its name; several can be chosen."""
    one = one_label_value(name, family)
    chosen = {"text": ["All"], "value": ["$__all"]}
    return one | {"multi": True, "includeAll": True, "allValue": ".+", "current": chosen}


def one_label_value(name, family, first=""):
    """The same with a single choice."""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({family}, {name})", "refId": f"variable-{name}", "qryType": 1},
        "refresh": 2,
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "current": {"text": first, "value": first},
    }


def choice(name, label, values):
    """A variable over a few fixed values, the first chosen."""
    options = [{"text": value, "value": value, "selected": place == 0} for place, value in enumerate(values)]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(values),
        "multi": False,
        "includeAll": False,
        "options": options,
        "current": {"text": values[0], "value": values[0]},
    }


def variables():
    datasource = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "multi": False,
        "includeAll": False,
        "refresh": 1,
        "current": {},
    }
    of_job, of_model = 'job=~"$job"', 'job=~"$job", model=~"$model"'
    return [
        datasource,
        label_values("job", "stillhouse_deployment_generation"),
        label_values("instance", f"stillhouse_deployment_generation{{{of_job}}}"),
        label_values("model", f"stillhouse_deployment_generation{{{of_job}}}"),
        label_values("role", f"stillhouse_split_share_ratio{{{of_model}}}"),
    ]


# Two minutes, so that samples a minute apart miss no change.
GENERATIONS = {
    "name": "Deployment changes",
    "datasource": DATASOURCE,
    "enable": True,
    "hide": False,
    "iconColor": "purple",
    "expr": 'sum by (model) (changes(stillhouse_deployment_generation{job=~"$job", model=~"$model"}[2m])) > 0',
    "step": "60s",
    "titleFormat": "{{model}}: another deployment",
    "textFormat": "stillhouse history --model {{model}}",
    "tagKeys": "model",
}


def dashboard(uid, title, description, sections, *, more_variables=()):
    """A whole dashboard."""
    return {
        "uid": f"stillhouse-{uid}",
        "title": f"Stillhouse / {title}",
        "description": description,
        "tags": [TAG],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "Stillhouse",
                "tags": [TAG],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "icon": "dashboard",
                "tooltip": "",
                "url": "",
            }
        ],
        "annotations": {"list": [GENERATIONS]},
        "templating": {"list": [*variables(), *more_variables]},
        "panels": placed(sections),
    }
