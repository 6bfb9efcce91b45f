"""The BigQuery REST calls that the sink makes through Google's Java client, with Google's errors."""

from __future__ import annotations

from typing import Any

from dataproc_emulator.errors import ApiError
from dataproc_emulator.web import Request, Response, Routes
from tests.bigquery.faults import Faults
from tests.bigquery.warehouse import Table, Warehouse

ROOT = "/bigquery/v2/projects/{project}"


class Rest:
    """The answers for one warehouse; a server takes `routes`."""

    def __init__(self, warehouse: Warehouse, faults: Faults) -> None:
        self._warehouse, self._faults = warehouse, faults
        self.routes = Routes()
        for method, path, handler in (
            ("GET", "/datasets/{dataset}", self._dataset),
            ("POST", "/datasets/{dataset}/tables", self._create),
            ("GET", "/datasets/{dataset}/tables/{table}", self._table),
            ("DELETE", "/datasets/{dataset}/tables/{table}", self._delete),
            ("POST", "/queries", self._query),
            ("POST", "/jobs", self._job),
        ):
            self.routes.add(method, ROOT + path, handler)

    def _dataset(self, request: Request, project: str, dataset: str) -> dict[str, Any]:
        self._faults.check("datasets.get")
        self._warehouse.require_dataset(project, dataset)
        return {"datasetReference": {"projectId": project, "datasetId": dataset}, "location": "US"}

    def _create(self, request: Request, project: str, dataset: str) -> dict[str, Any]:
        self._faults.check("tables.insert")
        return self._described(self._warehouse.create(project, dataset, request.json))

    def _table(self, request: Request, project: str, dataset: str, table: str) -> dict[str, Any]:
        return self._described(self._warehouse.table(project, dataset, table))

    def _delete(self, request: Request, project: str, dataset: str, table: str) -> Response:
        self._faults.check("tables.delete")
        self._warehouse.delete(self._warehouse.table(project, dataset, table))
        return Response(status=204)

    def _query(self, request: Request, project: str) -> dict[str, Any]:
        """Run a statement, and answer when it is done."""
        self._faults.check("queries")
        changed = self._warehouse.run(request.json["query"])
        job = {"projectId": project, "jobId": request.json["requestId"], "location": "US"}
        return {"jobReference": job, "jobComplete": True, "numDmlAffectedRows": str(changed), "schema": {}}

    def _job(self, request: Request, project: str) -> dict[str, Any]:
        """Check that a query would run; anything but a dry run is refused."""
        self._faults.check("jobs.insert")
        if not request.json["configuration"].get("dryRun"):
            raise ApiError("UNIMPLEMENTED", "jobs.insert: a dry run only")
        self._warehouse.check(request.json["configuration"]["query"]["query"])
        return {**request.json, "status": {"state": "DONE"}}

    def _described(self, table: Table) -> dict[str, Any]:
        return {**table.resource, "type": "TABLE", "numRows": str(self._warehouse.count(table))}
