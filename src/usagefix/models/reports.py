"""What any command may report."""

from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import DoctorReport
from usagefix.models.discovery import DiscoverReport
from usagefix.models.guarding import GuardReport
from usagefix.models.history import LogReport
from usagefix.models.insight import DashboardReport, HeatmapReport, TopReport, TrendsReport, WrittenPage
from usagefix.models.migration import ApplyReport, ExportReport, RollbackReport, StatusReport
from usagefix.models.notifying import NotificationsReport
from usagefix.models.probe import ProbeReport
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import RowReport, VerifyReport

Report = (
    VerifyReport
    | ApplyReport
    | BackfillReport
    | RollbackReport
    | StatusReport
    | RowReport
    | ExportReport
    | GuardReport
    | DoctorReport
    | SmokeReport
    | ProbeReport
    | DiscoverReport
    | NotificationsReport
    | LogReport
    | TrendsReport
    | HeatmapReport
    | TopReport
    | DashboardReport
    | WrittenPage
)
