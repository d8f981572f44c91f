"""The building blocks of the dashboards: queries, panels, and a grid that is filled from left to right.

A panel has a query, a unit, and a description of how to read it. Its datasource, id, place
and look are added here.
"""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID_WIDTH = 24
PALETTE = {"mode": "palette-classic"}

# Matchers of every query. Recorded series are sums over the fleet, without an instance.
INSTANCE = 'job=~"$job", instance=~"$instance"'
MODEL = INSTANCE + ', model=~"$model"'
ROLE = MODEL + ', role=~"$role"'
FLEET = 'job=~"$job", model=~"$model"'
FLEET_ROLE = FLEET + ', role=~"$role"'
RATE = "[$__rate_interval]"


def query(expr, legend):
    """A line for each series, over the time range."""
    return {"expr": expr, "legendFormat": legend, "range": True, "instant": False, "format": "time_series"}


def now(expr, legend):
    """One value for each series, at the end of the time range."""
    return {"expr": expr, "legendFormat": legend, "range": False, "instant": True, "format": "time_series"}


def rows(expr):
    """A table's row for each series, at the end of the time range."""
    return {"expr": expr, "legendFormat": "__auto", "range": False, "instant": True, "format": "table"}


def limit(expr, legend):
    """A bound, drawn as a dashed line. The server exports it, or the rules record it."""
    return query(expr, legend) | {"is_limit": True}


def panel(kind, title, description, unit, targets, *, width=12, height=8, options, custom=None, **field):
    """Any panel; `field` goes into the defaults of its fields."""
    made, overrides = [], []
    for ref, target in zip("ABCDEFGH", targets):
        target = dict(target)
        if target.pop("is_limit", False):
            overrides.append(dashed(ref))
        made.append({"refId": ref, "datasource": DATASOURCE, "editorMode": "code", **target})
    steps = [{"color": "green", "value": None}]
    defaults = {"unit": unit, "color": PALETTE, "thresholds": {"mode": "absolute", "steps": steps}, **field}
    if custom:
        defaults["custom"] = custom
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": made,
        "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
    }


def dashed(ref):
    """The style of a bound."""
    properties = [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 8]}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "semi-dark-red"}},
    ]
    return {"matcher": {"id": "byFrameRefID", "options": ref}, "properties": properties}


def lines(title, description, unit, targets, *, stacked=False, logarithmic=False, **more):
    """Lines over time."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, unit, targets, options=options, custom=custom, **more)


def number(title, description, unit, targets, *, width=4, height=4, text="auto", **more):
    """One large value, or one for each series."""
    options = {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "orientation": "auto",
        "textMode": text,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
    }
    more = {"color": {"mode": "thresholds"}, **more}
    return panel("stat", title, description, unit, targets, width=width, height=height, options=options, **more)


def bars(title, description, unit, targets, **more):
    """A bar for each series, the largest first as the query sorts them."""
    options = {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "orientation": "horizontal",
        "displayMode": "basic",
        "showUnfilled": True,
    }
    return panel("bargauge", title, description, unit, targets, options=options, **more)


def columns(title, description, unit, by, series, **more):
    """Columns side by side for each value of the label `by`; `series` are (name, expression)."""
    options = {
        "xField": by,
        "orientation": "vertical",
        "showValue": "never",
        "stacking": "none",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    made = panel("barchart", title, description, unit, [rows(expr) for _, expr in series], options=options, **more)
    made["transformations"] = joined(by, series)
    return made


def table(title, description, unit, by, series, **more):
    """A row for each value of the label `by`, a column for each of `series`, which are (name, expression)."""
    options = {"showHeader": True, "cellHeight": "sm"}
    made = panel("table", title, description, unit, [rows(expr) for _, expr in series], options=options, **more)
    made["transformations"] = joined(by, series)
    return made


def joined(by, series):
    """Joins instant tables: each query's column gets a name, and its time is hidden."""
    names = {f"Value #{ref}": name for ref, (name, _) in zip("ABCDEFGH", series)}
    times = {name: True for name in ["Time", *(f"Time {n + 1}" for n in range(len(series)))]}
    return [
        {"id": "joinByField", "options": {"byField": by, "mode": "outer"}},
        {"id": "organize", "options": {"excludeByName": times, "renameByName": names, "indexByName": {}}},
    ]


def plain_table(title, description, unit, expr, *, hidden=(), value="Value", **more):
    """A row for each series, a column for each of its labels, and one for its value, which gets a name."""
    made = panel("table", title, description, unit, [rows(expr)], options={"showHeader": True, "cellHeight": "sm"}, **more)
    excluded = {name: True for name in ["Time", "__name__", *hidden]}
    options = {"excludeByName": excluded, "renameByName": {"Value": value}, "indexByName": {}}
    made["transformations"] = [{"id": "organize", "options": options}]
    return made


def placed(sections):
    """Sections of (heading, panels) on the grid, with ids in reading order."""
    made, top = [], 0
    for heading, panels in sections:
        row = {"type": "row", "title": heading, "collapsed": False, "panels": []}
        made.append(row | {"gridPos": {"x": 0, "y": top, "w": GRID_WIDTH, "h": 1}})
        top += 1
        left, tallest = 0, 0
        for one in panels:
            size = one["gridPos"]
            if left + size["w"] > GRID_WIDTH:
                top, left, tallest = top + tallest, 0, 0
            made.append(one | {"gridPos": {"x": left, "y": top, **size}})
            left, tallest = left + size["w"], max(tallest, size["h"])
        top += tallest
    return [{"id": place, **one} for place, one in enumerate(made, start=1)]
