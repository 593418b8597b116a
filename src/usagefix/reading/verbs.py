"""What the methods of clients and mappers of objects do, by their names without underscores, in lower case."""

from __future__ import annotations

from usagefix.reading.findings import Use

NAMES_TABLE = {
    "from", "table", "into", "update", "insert", "delete", "updatetable", "insertinto", "deletefrom", "query", "select",
    "get", "getrepository", "model", "batchinsert", "createquerybuilder", "knex", "updateall", "change", "schema",
    "entity",
}  # fmt: skip
ACTIONS = {"updatetable": "update", "insertinto": "insert", "deletefrom": "delete", "into": "insert"}
ACTIONS |= {action: action for action in ("update", "insert", "delete")} | {"batchinsert": "insert"}
ROWS = {"insert": Use.INSERTS_EVENT, "delete": Use.DELETES_EVENT}
SETS = {
    "update", "upsert", "updatemany", "updateone", "updatemanyandreturn", "updateorcreate", "bulkupdate", "merge",
    "increment", "decrement", "onconflictdoupdate", "onconflict", "doupdateset", "findoneandupdate", "updateall",
    "updatecolumn", "updatecolumns", "updateattribute", "updateattributes", "updates", "incrementcounter",
    "decrementcounter", "updatecounters", "incrementeach", "updatequietly", "change", "forcefill", "incrementquietly",
    "executeupdate", "executeupdateasync", "assignattributes",
}  # fmt: skip
SETS_IN_UPDATE = {"set", "values"}  # elsewhere a Map's, or the values of a new row
SETS_BY_NAME = {
    "increment", "decrement", "set", "bulkupdate", "update", "updatecolumn", "updateattribute", "incrementcounter",
    "decrementcounter", "incrementquietly",
}  # fmt: skip
INSERTS = {"insert", "upsert", "create", "createmany", "createmanyandreturn", "insertmany", "bulkcreate", "insertgetid"}
INSERTS |= {"getorcreate", "updateorcreate", "findorcreate", "insertone", "insertorignore", "insertall", "forcecreate"}
SAVES = {"add", "addall", "save", "bulksaveobjects", "persist", "merge", "saveandflush", "saveall", "saveasync"}
SAVES |= {"savechanges", "persistandflush", "flush"}
SAVES_ALL = {"flush", "savechanges", "savechangesasync"}  # whatever was changed
DELETES = {"delete", "deletemany", "del", "truncate", "destroy", "deleteall", "destroyall", "executedelete"}
DELETES |= {"executedeleteasync", "forcedelete"}
HOLDS_COLUMNS = {"data", "update", "set", "set_", "values", "defaults", "$set", "$inc", "inc", "body"}
# Members that a chain goes through without being about something else.
THROUGH = {"objects", "columns", "values", "attributes", "rows", "results", "items", "records", "this", "tables"}
REQUEST = {"req", "request", "body", "params", "input", "payload", "formdata", "dto", "args", "querystring"}
